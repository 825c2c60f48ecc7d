// Rows of the op table: upsample.
