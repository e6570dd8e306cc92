"""What is declared: stages with their columns, metrics and settings; where a workspace keeps what."""
