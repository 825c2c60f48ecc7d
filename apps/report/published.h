// The figures of the paper's Tables 2, 3 and 4, from published.csv, which is part of the program.
#pragma once

#include <string>
#include <vector>

// A table of text. Rows of one cell are headings of groups.
struct PublishedTable {
  int number;  // in the paper
  std::string title, note;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // as many cells as columns, or one
};

std::vector<PublishedTable> published_tables();
