"""Quality: blind copies of drives, how far people's labels agree with gold and with each other, rules."""
