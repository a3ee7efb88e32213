"""操作记录: who did what, and who saw this member. Words, the rows one may read, the pages, the export."""
