// segmenter
