"""Hugging Face datasets: Parquet files with their features, and the card that names the splits."""
