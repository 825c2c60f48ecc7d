// Rows of the op table: correlation.
