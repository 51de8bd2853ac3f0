"""The look at machines before anything is changed."""
