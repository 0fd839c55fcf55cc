"""The page that reviewers look at: one file that holds its pictures and asks nobody for anything."""
