#include "isolation/session.hpp"

namespace gesso::isolation {

void SharedTarget::place(const DLTensor& tensor, TensorField& field) {
  field.where = Where::Shared;
  field.place = memory_.take(field.bytes);
  copy_contiguous(tensor, memory_.at(field.place));
}

Answer Session::receive() {
  Answer answer{channel_.receive(idle), {}};
  answer.message = parse(answer.received.bytes, in_.size());
  return answer;
}

Answer Session::exchange(Writer& call) {
  send(call);
  for (;;) {
    Answer answer = receive();
    if (answer.message.kind == Kind::Reply) return answer;
    serve(answer);
  }
}

void Session::serve_all() {
  try {
    for (;;) {
      Answer answer = receive();
      serve(answer);
    }
  } catch (const Closed&) {
  }
}

}  // namespace gesso::isolation
