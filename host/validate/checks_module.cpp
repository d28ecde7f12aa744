// "gesso.module/1" on tiny tensors, used as it should be.
#include <cmath>
#include <set>
#include <thread>

#include "gesso/cpp/inputs.hpp"
#include "validate/each_operation.hpp"
#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

void describes(Context& c) {
  const auto subject = c.ready();
  const auto* module = subject->find<gesso_module_t>(GESSO_MODULE_ID);
  expect(module && module->run, "run is NULL");
  expect(module->n_ops > 0 && module->ops, "it has no operations");
  const auto check_ports = [](const gesso_op_t& op, const gesso_port_t* const* ports, uint32_t n) {
    std::set<std::string> names;
    for (uint32_t i = 0; i < n; ++i) {
      expect(ports && ports[i] && ports[i]->struct_size >= sizeof(gesso_port_t),
             "\"{}\": port {} is NULL or has no struct_size", op.name, i);
      expect(ports[i]->name && *ports[i]->name, "\"{}\": port {} has no name", op.name, i);
      expect(names.insert(ports[i]->name).second, "\"{}\": two ports \"{}\"", op.name,
             ports[i]->name);
    }
  };
  for (uint32_t i = 0; i < module->n_ops; ++i) {
    const gesso_op_t* op = module->ops[i];
    expect(op && op->struct_size >= sizeof(gesso_op_t) && op->name && *op->name,
           "operation {} is NULL, or has no struct_size or name", i);
    check_ports(*op, op->inputs, op->n_inputs);
    check_ports(*op, op->outputs, op->n_outputs);
  }
}

void has_ports(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    const gesso_op_t& op = operation.description();
    const auto has = [](const gesso_port_t* const* ports, uint32_t n, const std::string& name) {
      for (uint32_t i = 0; i < n; ++i)
        if (name == ports[i]->name) return true;
      return false;
    };
    for (const std::string& name : words(operation.contract().inputs))
      expect(has(op.inputs, op.n_inputs, name), "it has no input \"{}\"", name);
    for (const std::string& name : words(operation.contract().outputs))
      expect(has(op.outputs, op.n_outputs, name), "it has no output \"{}\"", name);
  });
}

void runs(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    operation.feed({});
    const Outcome outcome = operation.run();
    expect(outcome.status == GESSO_STATUS_OK, "it failed with status {}: {}", outcome.status,
           outcome.text);
    expect(!outcome.made.empty(), "it succeeded, but gave nothing");
  });
}

void outputs(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    const gesso_op_t& op = operation.description();
    std::set<std::string> given;
    for (const Made& made : good_run(operation).made) {
      expect(made.port < op.n_outputs, "it gave a tensor at output {} of {}", made.port,
             op.n_outputs);
      const gesso_port_t& port = *op.outputs[made.port];
      const bool listed = port.flags & (GESSO_PORT_PER_ITEM | GESSO_PORT_LIST);
      expect(listed ? made.index >= 0 : made.index == -1, "\"{}\": index {}", port.name,
             made.index);
      const DLTensor& tensor = made.tensor.dl();
      expect(takes_shape(port.dims, shape_of(tensor)), "\"{}\" is \"{}\", the tensor {}", port.name,
             port.dims ? port.dims : "...", shape_text(shape_of(tensor)));
      expect(takes_type(port.dtypes, tensor.dtype), "\"{}\" is {}, the tensor {}", port.name,
             port.dtypes ? port.dtypes : "floating", type_text(tensor.dtype));
      given.insert(port.name);
    }
    const auto required = words(operation.contract().outputs);
    for (uint32_t i = 0; i < op.n_outputs; ++i) {
      const std::string name = op.outputs[i]->name;
      const bool is_required = std::ranges::find(required, name) != required.end();
      expect(!is_required || given.contains(name), "nothing came out at \"{}\"", name);
    }
  });
}

void dlpack(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    for (const Made& made : good_run(operation).made) {
      const gesso_tensor_t* tensor = made.tensor.get();
      expect(tensor != nullptr, "a tensor is NULL");
      expect(tensor->version.major == DLPACK_MAJOR_VERSION, "DLPack {}.{}", tensor->version.major,
             tensor->version.minor);
      expect(tensor->deleter != nullptr, "a tensor has no deleter");
      expect(tensor->dl_tensor.strides || tensor->dl_tensor.ndim == 0, "strides are NULL");
    }
  });
}

void finite(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    for (const Made& made : good_run(operation).made)
      for (const double x : numbers(made.tensor.dl()))
        expect(std::isfinite(x), "output \"{}\" holds {}",
               operation.description().outputs[made.port]->name, x);
  });
}

void repeats(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    const Outcome first = good_run(operation);
    const std::string differs = difference(first, operation.run());
    expect(differs.empty(), "the same run twice: {}", differs);
  });
}

void strided(Context& c) {
  each_operation(
      c,
      [](Operation& operation, Subject&) {
        const Outcome plain = good_run(operation);
        operation.feed({.layout = Layout::Strided});
        const std::string differs = difference(plain, operation.run());
        expect(differs.empty(), "inputs with strides and byte_offset: {}", differs);
      },
      true);
}

void inputs_kept(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    good_run(operation);
    for (const LentTensor& tensor : operation.lent())
      expect(tensor.unchanged(), "it wrote to an input");
  });
}

void inputs_borrowed(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    good_run(operation);
    for (const LentTensor& tensor : operation.lent())
      expect(tensor.releases() == 0, "it called the deleter of an input");
  });
}

void batch(Context& c) {
  bool asked = false;
  each_operation(
      c,
      [&](Operation& operation, Subject&) {
        if (!operation.contract().per_item) return;
        asked = true;
        Outcome both = good_run(operation, {.items = 2});
        for (int i = 0; i < 2; ++i) {
          Outcome of_both;
          for (Made& made : both.made)
            if (made.index == i) of_both.made.push_back({made.port, 0, std::move(made.tensor)});
          if (of_both.made.empty()) skip("no result has index {} (see module.outputs)", i);
          operation.feed({.items = 1, .first = i});
          const std::string differs = difference(of_both, operation.run());
          expect(differs.empty(), "item {} in a batch of two and alone: {}", i, differs);
        }
      },
      true);
  if (!asked) skip("its operations take no batches");
}

void outlives(Context& c) {
  each_operation(c, [](Operation& operation, Subject& subject) {
    const Outcome outcome = good_run(operation);
    std::vector<std::vector<double>> before;
    for (const Made& made : outcome.made) before.push_back(numbers(made.tensor.dl()));
    subject.destroy();
    for (size_t i = 0; i < before.size(); ++i)
      expect(numbers(outcome.made[i].tensor.dl()) == before[i],
             "a result changed when the component was destroyed");
  });
}

void leaks_nothing(Context& c) {
  constexpr int kRuns = 40;
  constexpr uint64_t kAllowed = 1024;  // bytes a run
  each_operation(c, [](Operation& operation, Subject& subject) {
    for (int i = 0; i < 8; ++i) good_run(operation);
    subject.log().clear();
    const uint64_t before = heap_bytes();
    for (int i = 0; i < kRuns; ++i) {
      operation.run();
      subject.log().clear();
    }
    const uint64_t after = heap_bytes();
    const uint64_t grown = after > before ? (after - before) / kRuns : 0;
    expect(grown <= kAllowed, "every run leaves {} bytes behind", grown);
  });
}

void leaves_process(Context& c) {
  each_operation(c, [](Operation& operation, Subject&) {
    operation.feed({});
    const Surroundings before = Surroundings::now();
    operation.run();
    const std::string changed = before.difference(Surroundings::now());
    expect(changed.empty(), "a run changed the process: {}", changed);
  });
}

void threads(Context& c) {
  each_operation(
      c,
      [&](Operation& operation, Subject&) {
        const Outcome alone = good_run(operation);
        std::string differs[2];
        const auto work = [&](std::string& text) {
          try {
            const auto subject = c.ready();
            Operation own(*subject, operation.contract());
            own.feed({});
            for (int i = 0; i < 4 && text.empty(); ++i) text = difference(alone, own.run());
          } catch (const std::exception& error) {
            text = error.what();
          }
        };
        std::thread other(work, std::ref(differs[0]));
        work(differs[1]);
        other.join();
        for (const std::string& text : differs)
          expect(text.empty(), "two instances on two threads: {}", text);
      },
      true);
}

constexpr const char* kModule = GESSO_MODULE_ID;

constexpr Check kChecks[] = {
    {"module.describes", "R2", Needs::Ready, kModule, "operations and ports are described",
     "Give every operation and port its struct_size and a name of its own.", describes},
    {"module.has_ports", "", Needs::Ready, kModule, "has the operations and ports of its kind",
     "Read gesso/kind/KIND.h: it lists operations and ports.", has_ports},
    {"module.runs", "", Needs::Ready, kModule, "runs on tiny tensors",
     "Read the text; do the sample's sizes fit its weights?", runs},
    {"module.outputs", "", Needs::Ready, kModule, "results fit the ports that they come from",
     "Give each tensor the port's number, the item's index (or -1), and type and extents of the "
     "port.",
     outputs},
    {"module.dlpack", "R6", Needs::Ready, kModule, "results are whole DLPack tensors",
     "Fill version, deleter and strides.", dlpack},
    {"module.finite", "R7", Needs::Ready, kModule, "results are numbers",
     "Look for a division by zero or memory that was never written.", finite},
    {"module.repeats", "R13", Needs::Ready, kModule, "the same run gives the same bits",
     "Take randomness from inputs only; sum in one order.", repeats},
    {"module.strided", "R6", Needs::Ready, kModule, "inputs may have strides and a byte_offset",
     "Honour strides and byte_offset of DLTensor, or copy first.", strided},
    {"module.inputs_kept", "R6", Needs::Ready, kModule, "inputs are not written to",
     "Work on a copy.", inputs_kept},
    {"module.inputs_borrowed", "R5", Needs::Ready, kModule, "inputs are not released",
     "Tensors in a bundle are borrowed: never call their deleter.", inputs_borrowed},
    {"module.batch", "", Needs::Ready, kModule, "a batch gives what single runs give",
     "Let no item see another one.", batch},
    {"module.outlives", "R5", Needs::Ready, kModule, "results live on without the component",
     "Give memory away with its tensor; free it in the deleter.", outlives},
    {"module.leaks_nothing", "R16", Needs::Ready, kModule, "a run leaves nothing behind",
     "Free what a run allocates, and call no deleter twice.", leaks_nothing},
    {"module.leaves_process", "R10", Needs::Ready, kModule, "a run leaves the process as it is",
     "Set floating-point control, locale, folder, environment and signals back.", leaves_process},
    {"module.threads", "R8", Needs::Ready, kModule, "two instances run on two threads",
     "Keep nothing in global variables that a run changes.", threads},
};

}  // namespace

std::span<const Check> module_checks() { return kChecks; }

}  // namespace gesso::validate
