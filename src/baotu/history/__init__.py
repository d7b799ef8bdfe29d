"""What happened: samples appended exactly once, read as columns, kept as Parquet. DuckDB inside."""
