"""What runs in the browser: the page's skeleton, its style and its scripts, which `page` puts together."""
