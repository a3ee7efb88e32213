"""手机盘点: a store's pieces are counted by several phones at once, with the net or without, and held against the book.

models      a stocktake, its frozen book (lines), every scan, the phones that count
reading     what a scanned code is
services    creating and starting, taking scans, closing and recounting, deciding
queries     the live count, the list of differences, clashes of two who counted the same
pages       the guide's scan page; the manager's and HQ's pages
"""
