#include "isolation/channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "gesso/cpp/error.hpp"

namespace gesso::isolation {
namespace {

constexpr int kIdleMs = 20;

union Control {
  cmsghdr header;
  char room[CMSG_SPACE(kMostFiles * sizeof(int))];
};

void take_files(msghdr& message, std::vector<Descriptor>& files) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof number);
      files.emplace_back(number);
    }
  }
}

}  // namespace

void Channel::send(std::span<const std::byte> message, std::span<const int> files,
                   const std::function<void()>& idle) {
  if (files.size() > kMostFiles)
    throw Error(Status::Internal, "more files than go along with a message");
  const std::lock_guard lock(sending_);
  Control control{};
  bool first = true;
  while (!message.empty()) {
    iovec part{const_cast<std::byte*>(message.data()), message.size()};
    msghdr head{};
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    if (first && !files.empty()) {
      head.msg_control = &control;
      head.msg_controllen = CMSG_SPACE(files.size_bytes());
      cmsghdr* rights = CMSG_FIRSTHDR(&head);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(files.size_bytes());
      std::memcpy(CMSG_DATA(rights), files.data(), files.size_bytes());
    }
    const ssize_t sent = ::sendmsg(socket_.get(), &head, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      wait(POLLOUT, idle);
      continue;
    }
    if (sent <= 0) throw Closed{};
    first = false;
    message = message.subspan(static_cast<size_t>(sent));
  }
}

void Channel::wait(short event, const std::function<void()>& idle) {
  using Clock = std::chrono::steady_clock;
  for (;;) {
    pollfd ready{socket_.get(), event, 0};
    const int count = ::poll(&ready, 1, idle ? kIdleMs : -1);
    if (count < 0 && errno != EINTR) throw Closed{};
    // Also while it talks without end.
    if (idle && Clock::now() - idled_ > std::chrono::milliseconds(kIdleMs)) {
      idled_ = Clock::now();
      idle();
    }
    if (count > 0) return;
  }
}

void Channel::read(std::span<std::byte> out, std::vector<Descriptor>* files,
                   const std::function<void()>& idle) {
  while (!out.empty()) {
    wait(POLLIN, idle);
    Control control{};
    iovec part{out.data(), out.size()};
    msghdr head{};
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    head.msg_control = &control;
    head.msg_controllen = sizeof control.room;
    const ssize_t got = ::recvmsg(socket_.get(), &head, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    std::vector<Descriptor> came;  // what nobody wants is closed
    if (got > 0) take_files(head, files ? *files : came);
    if (got <= 0) throw Closed{};
    out = out.subspan(static_cast<size_t>(got));
  }
}

Received Channel::receive(const std::function<void()>& idle) {
  Received received;
  received.bytes.resize(sizeof(Header));
  read(received.bytes, &received.files, idle);
  const Header header = parse_header(received.bytes);
  received.bytes.resize(sizeof(Header) + header.bytes);
  read(std::span(received.bytes).subspan(sizeof(Header)), &received.files, idle);
  return received;
}

void Channel::close_sending() { ::shutdown(socket_.get(), SHUT_WR); }

}  // namespace gesso::isolation
