"""导出: a list says once what it has to give (registry), and everything else is the same for all.

registry    what can be exported: columns, rows within the actor's scope, permission, whether persons stand in it
services    ask (limits, approval), make (in the background, with progress), hand out once, forget
sheets      the workbook: watermark, cells that can do nothing
pages       one's own exports, progress, the download
"""
