// Everything is taken from the options as they are declared.
#include "apps/help.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "tensor/error.h"

using munet::str;

namespace {

// How many letters are missing, too many, other ones, or swapped with their neighbours.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  const std::size_t n = b.size() + 1;
  std::vector<std::size_t> d((a.size() + 1) * n);
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      std::size_t& here = d[i * n + j];
      here = std::max(i, j);
      if (i == 0 || j == 0) continue;
      here = std::min({d[(i - 1) * n + j] + 1, d[i * n + j - 1] + 1,
                       d[(i - 1) * n + j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        here = std::min(here, d[(i - 2) * n + j - 2] + 1);
    }
  return d.back();
}

// The nearest of `names`; empty if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : names) {
    // --mem for --memory, --output for --out: a beginning is as good as one letter off.
    const bool begins = std::min(word.size(), name.size()) > 3 &&
                        (name.starts_with(word) || word.starts_with(name));
    const std::size_t d = begins ? 1 : edit_distance(word, name);
    if (d < least || (d == least && name.size() < best.size())) least = d, best = name;
  }
  return best;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Words of an option that takes one of a few: "{fast,accurate}" of its help.
std::string choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return "";
  std::string words = type.substr(open + 1, close - open - 1);
  std::replace(words.begin(), words.end(), ',', ' ');
  return words;
}

// zsh runs bash's completions, once it is told to.
constexpr char kBashInZsh[] =
    "(($+functions[compdef])) || { autoload -U compinit && compinit }\n"
    "autoload -U bashcompinit && bashcompinit\n";

std::string bash_script(const CLI::App& app) {
  std::string commands, values;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands +=
        "    " + command->get_name() + ") words='" + joined(options_of(*command)) + "' ;;\n";
    for (const CLI::Option* option : command->get_options())
      if (const std::string words = choices(*option); !words.empty())
        values += "    " + command->get_name() + ":" + option->get_name() + ") words='" + words +
                  "'; plain=1 ;;\n";
  }
  return "# completion of munet; to use it: source <(munet completion bash)\n"
         "_munet() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words= plain=\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W '" +
         joined(commands_of(app)) + " " + joined(options_of(app)) +
         "' -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         commands +
         "  esac\n"
         "  case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]} in\n" +
         values +
         "  esac\n"
         "  if [[ $word == -* || $plain ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  fi\n"
         "}\n"
         "complete -o bashdefault -o default -F _munet munet\n";
}

}  // namespace

std::string first_steps() {
  return R"(munet follows objects through a video, from a mask of one frame. To begin:

  munet frame walk.mp4 --at 0s -o f.png                  a frame of the video
  munet mask f.png --box 300,120,90,160 -o first.png     what to follow: x,y,width,height
  munet segment walk.mp4 --mask first.png -o masks --overlay film.mp4

The mask may also come from any paint program: black, and one flat colour per object.
munet --help lists the subcommands, munet segment --help the options of one, with examples.
)";
}

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<const CLI::App*> used =
      app.get_subcommands([](const CLI::App* command) { return command->parsed(); });
  const CLI::App& command = used.empty() ? app : *used[0];
  const std::string where = used.empty() ? "munet" : "munet " + command.get_name();
  const std::vector<std::string> extra = command.remaining(true);
  // A misspelt option may be why another one is missing: it comes first.
  if (extra.empty()) return str(error.what(), " (", where, " --help lists the options)");
  const std::string word = extra[0].substr(0, extra[0].find('='));
  const bool option = word.starts_with('-');
  if (!option && !used.empty())
    return str(where, " has no use for \"", word, "\" (", where, " --help lists what it takes)");
  const std::string meant = nearest(word, option ? options_of(command) : commands_of(app));
  return str(
      word, option ? " is no option of " : " is no subcommand of ", where,
      meant.empty() ? " (" + where + " --help lists them)" : "; did you mean " + meant + "?");
}

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Completion of options and files for a shell");
  command->add_option("SHELL", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->footer(
      "Examples:\n"
      "  source <(munet completion bash)                            in this shell\n"
      "  munet completion bash > ~/.local/share/bash-completion/completions/munet   in all\n"
      "  source <(munet completion zsh)                             in ~/.zshrc");
  command->callback([&app, shell] {
    if (*shell == "zsh") std::fputs(kBashInZsh, stdout);
    std::fputs(bash_script(app).c_str(), stdout);
  });
}
