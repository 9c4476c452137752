"""Browser pages on a session file: curate, crop, tune; served on this computer only.

server.py speaks HTTP and decides who may ask, pages.py builds the page. Each page is an
`App` (app.py): curating.py, cropping.py, tuning.py, with the text of the pages in `static`.
"""
