// POSIX calls, because they say why something failed.
#include "data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "tensor/error.h"

namespace munet {
namespace {

struct Descriptor {
  int fd;
  explicit Descriptor(int fd) : fd(fd) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

// Writes everything to a new file; 0, or the errno of what failed.
int write_all(const char* path, const std::vector<uint8_t>& bytes) {
  Descriptor file(::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.fd < 0) return errno;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    done += std::size_t(n);
  }
  const int fd = file.fd;
  file.fd = -1;
  return ::close(fd) == 0 ? 0 : errno;  // some file systems report a full disk only here
}

}  // namespace

std::vector<uint8_t> read_file(const char* op, const std::filesystem::path& path, uint64_t limit) {
  const auto fail = [&](const std::string& why) {
    throw FileError(str(op, ": cannot read ", path.string(), ": ", why));
  };
  // Without O_NONBLOCK a pipe that nobody writes to would hang here.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) fail(std::strerror(errno));
  struct stat status;
  if (::fstat(file.fd, &status) != 0) fail(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail("it is a folder");
  if (!S_ISREG(status.st_mode)) fail("it is not a regular file");
  if (uint64_t(status.st_size) > limit)
    fail(str("it has ", status.st_size, " bytes, the limit is ", limit));
  std::vector<uint8_t> bytes(std::size_t(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(std::strerror(errno));
    if (n == 0) break;  // it shrank while being read
    done += std::size_t(n);
  }
  bytes.resize(done);
  return bytes;
}

void write_file(const char* op, const std::filesystem::path& path,
                const std::vector<uint8_t>& bytes) {
  const std::string part = path.string() + ".part";
  int error = write_all(part.c_str(), bytes);
  if (error == 0 && std::rename(part.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(part.c_str());
  throw FileError(str(op, ": cannot write ", path.string(), ": ", std::strerror(error)));
}

}  // namespace munet
