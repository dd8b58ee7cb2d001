"""What every pipeline shares: graph stages, configurations, runners, run records and the command line."""
