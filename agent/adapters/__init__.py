"""One door for each foreign thing; its types and exceptions stop here."""
