"""Raw recordings written as files on disk, with the truth kept beside them."""
