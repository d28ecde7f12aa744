#include "validate/elf_file.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/base/mapped_file.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::validate {
namespace {

/// Reads structs at offsets that a file claims; everything is held against its size.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}

  template <class T>
  T at(uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) broken("it is cut off");
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(uint64_t offset) const {
    std::string result;
    for (char c = at<char>(offset); c; c = at<char>(++offset)) result += c;
    return result;
  }
  bool has(uint64_t offset, uint64_t size, std::string_view part) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) broken("it is cut off");
    const std::string_view all(reinterpret_cast<const char*>(bytes_.data()) + offset, size);
    return all.find(part) != all.npos;
  }
  [[noreturn]] void broken(const char* why) const {
    throw Error(Status::BadData,
                fmt::format("{}: no shared library for this machine: {}", name_, why));
  }

 private:
  std::span<const std::byte> bytes_;
  std::string name_;
};

bool is_exported(const Elf64_Sym& symbol) {
  const unsigned binding = ELF64_ST_BIND(symbol.st_info), type = ELF64_ST_TYPE(symbol.st_info);
  return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS && binding != STB_LOCAL &&
         type != STT_SECTION && type != STT_FILE;
}

}  // namespace

ElfFile read_elf(const std::filesystem::path& file) {
  const auto mapped = base::MappedFile::open(file);
  const Reader reader(mapped->bytes(), file.string());
  const auto header = reader.at<Elf64_Ehdr>(0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) reader.broken("it is no ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64) reader.broken("it is not for 64 bits");
  if (header.e_type != ET_DYN) reader.broken("it is no shared object");

  ElfFile result;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment = reader.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_GNU_STACK) result.executable_stack = segment.p_flags & PF_X;
  }
  const auto section_at = [&](unsigned i) {
    return reader.at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
  };
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr section = section_at(i);
    if (reader.text(section_at(header.e_shstrndx).sh_offset + section.sh_name) == ".comment") {
      result.from_rust = reader.has(section.sh_offset, section.sh_size, "rustc version");
    }
    if (section.sh_type != SHT_DYNSYM || !section.sh_entsize) continue;
    const Elf64_Shdr names = section_at(section.sh_link);
    for (uint64_t n = 1; n < section.sh_size / section.sh_entsize; ++n) {
      const auto symbol = reader.at<Elf64_Sym>(section.sh_offset + n * section.sh_entsize);
      const std::string name = reader.text(names.sh_offset + symbol.st_name);
      if (is_exported(symbol)) result.exports.push_back(name);
      if (symbol.st_shndx == SHN_UNDEF) result.imports.push_back(name);
    }
  }
  std::ranges::sort(result.exports);
  std::ranges::sort(result.imports);
  return result;
}

}  // namespace gesso::validate
