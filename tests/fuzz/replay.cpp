// A fuzzer's program where libFuzzer is not: every file of the folders that are named is one input.
#include <algorithm>
#include <iterator>
#include <vector>

#include "input.hpp"
#include "mutate.hpp"

namespace fs = std::filesystem;

size_t LLVMFuzzerMutate(uint8_t*, size_t size, size_t) { return size; }  // nobody calls it here

int main(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i)
    for (const auto& entry : fs::directory_iterator(argv[i])) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const fs::path& path : files) {
    fmt::print("{}\n", path.filename().string());
    std::fflush(stdout);  // whatever happens, the last name is the input that did it
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  fmt::print("{} inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
