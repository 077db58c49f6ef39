"""Trains networks on labelled images, and tunes the gates of pretrained networks without labels; one trainer does both."""
