// Rows of the op table: reduce.
