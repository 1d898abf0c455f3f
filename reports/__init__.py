"""What people read: tables and files, as text. Writing them is the steps' work."""
