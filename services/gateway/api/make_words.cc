// Writes the comments of the contracts as C++ (words.h), while Fettle is built: a descriptor set
// with source information is in, kContractWords is out. The set itself would cost a process more
// memory than the whole description of the API.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorSet;
using google::protobuf::SourceLocation;

using Words = std::map<std::string, std::string>;

// Lines become paragraphs. The numbers of our own rules, `(INV-20, INV-21)`, say nothing to others.
std::string Readable(const std::string& comment) {
  std::vector<std::string> paragraphs = {""};
  for (absl::string_view line : absl::StrSplit(comment, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) {
      if (!paragraphs.back().empty()) paragraphs.emplace_back();
      continue;
    }
    absl::StrAppend(&paragraphs.back(), paragraphs.back().empty() ? "" : " ", line);
  }
  if (paragraphs.back().empty()) paragraphs.pop_back();
  std::string words = absl::StrJoin(paragraphs, "\n\n");
  for (size_t from = 0; (from = words.find(" (INV-", from)) != std::string::npos;) {
    const size_t to = words.find(')', from);
    if (to == std::string::npos) break;
    words.erase(from, to - from + 1);
  }
  return words;
}

template <class Named>
void Add(const Named* named, const std::string& name, Words& words) {
  SourceLocation location;
  if (!named->GetSourceLocation(&location)) return;
  std::string text = Readable(location.leading_comments);
  if (text.empty()) text = Readable(location.trailing_comments);
  if (!text.empty()) words[name] = text;
}

void AddEnum(const EnumDescriptor* type, Words& words) {
  Add(type, type->full_name(), words);
  for (int i = 0; i < type->value_count(); ++i) {
    // Its full name has no enum's in it.
    Add(type->value(i), absl::StrCat(type->full_name(), ".", type->value(i)->name()), words);
  }
}

void AddMessage(const Descriptor* type, Words& words) {
  Add(type, type->full_name(), words);
  for (int i = 0; i < type->field_count(); ++i) {
    Add(type->field(i), type->field(i)->full_name(), words);
  }
  for (int i = 0; i < type->nested_type_count(); ++i) AddMessage(type->nested_type(i), words);
  for (int i = 0; i < type->enum_type_count(); ++i) AddEnum(type->enum_type(i), words);
}

void AddFile(const FileDescriptor* file, Words& words) {
  for (int i = 0; i < file->message_type_count(); ++i) AddMessage(file->message_type(i), words);
  for (int i = 0; i < file->enum_type_count(); ++i) AddEnum(file->enum_type(i), words);
  for (int i = 0; i < file->service_count(); ++i) {
    const auto* service = file->service(i);
    for (int j = 0; j < service->method_count(); ++j) {
      Add(service->method(j), service->method(j)->full_name(), words);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: make_words DESCRIPTOR_SET OUT\n";
    return 2;
  }
  std::ifstream in(argv[1], std::ios::binary);
  FileDescriptorSet set;
  if (!in || !set.ParseFromIstream(&in)) {
    std::cerr << "cannot read " << argv[1] << "\n";
    return 1;
  }
  DescriptorPool pool;
  Words words;
  for (const auto& proto : set.file()) {
    const FileDescriptor* file = pool.BuildFile(proto);
    if (file == nullptr) return 1;
    if (absl::StartsWith(proto.name(), "fettle/")) AddFile(file, words);
  }
  std::ofstream out(argv[2]);
  out << "#include \"services/gateway/api/words.h\"\n\nnamespace fettle::gateway {\n\n"
      << "const ContractWords kContractWords[] = {\n";
  for (const auto& [name, text] : words) {
    out << "    {\"" << name << "\", \"" << absl::Utf8SafeCEscape(text) << "\"},\n";
  }
  out << "};\nconst size_t kContractWordsSize = " << words.size()
      << ";\n\n}  // namespace fettle::gateway\n";
  return out.flush() ? 0 : 1;
}
