"""What requests may say (checked) and what answers look like (documented)."""
