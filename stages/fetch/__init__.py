"""Fetching what lies at an address: whole files that resume, members of archives, videos from their pages."""
