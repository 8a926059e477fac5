"""What a job is, what may happen to it, and every decision that needs no one else. Pure: values in, values out."""
