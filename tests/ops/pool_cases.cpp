// Rows of the op table: pool.
