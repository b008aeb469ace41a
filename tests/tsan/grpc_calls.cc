// What gRPC passes from thread to thread goes through libraries that Debian builds without
// ThreadSanitizer. Three edges are told to it, all guaranteed by gRPC: starting a batch comes
// before its callback, the last word on a call before its OnDone, its handler before its OnCancel.
// These definitions take the place of the libraries' own and call them. Nothing of ours is
// suppressed, and two handlers are not ordered by it: canary.cc has a race between them that must
// be found.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>
#include <link.h>
#include <sanitizer/tsan_interface.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <utility>

namespace {

using Run = void (*)(grpc_completion_queue_functor*, int);

// libgrpc++ and our code each have a few functions that run a functor.
constexpr size_t kRunsMax = 16;
std::array<std::atomic<Run>, kRunsMax> runs{};

// Runs a batch's callback after what its start released. Each replaces one function of `runs`.
template <size_t slot>
void RunAfterStart(grpc_completion_queue_functor* functor, int ok) {
  __tsan_acquire(functor);
  runs[slot].load(std::memory_order_relaxed)(functor, ok);
}

template <size_t... slots>
constexpr std::array<Run, kRunsMax> MakeTrampolines(std::index_sequence<slots...>) {
  return {RunAfterStart<slots>...};
}
constexpr std::array<Run, kRunsMax> kTrampolines =
    MakeTrampolines(std::make_index_sequence<kRunsMax>());

Run TrampolineOf(Run run) {
  for (size_t i = 0; i < kRunsMax; ++i) {
    if (run == kTrampolines[i]) return run;
    Run expected = nullptr;
    if (runs[i].compare_exchange_strong(expected, run, std::memory_order_relaxed) ||
        expected == run) {
      return kTrampolines[i];
    }
  }
  abort();
}

bool IsCode(const void* address) {
  return dl_iterate_phdr(
             [](dl_phdr_info* object, size_t, void* wanted) {
               for (int i = 0; i < object->dlpi_phnum; ++i) {
                 const auto& segment = object->dlpi_phdr[i];
                 const uintptr_t start = object->dlpi_addr + segment.p_vaddr;
                 const auto at = reinterpret_cast<uintptr_t>(wanted);
                 if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && at >= start &&
                     at < start + segment.p_memsz) {
                   return 1;
                 }
               }
               return 0;
             },
             const_cast<void*>(address)) == 1;
}

// The library's definition of what is defined here.
template <class Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count,
                                                 void* tag, void* reserved) {
  static const auto next = Next<decltype(&grpc_call_start_batch)>("grpc_call_start_batch");
  if (tag != nullptr) {
    // The tag of a callback is a functor, whose first word is code; any other is an object with a
    // table of functions.
    auto* functor = static_cast<grpc_completion_queue_functor*>(tag);
    if (IsCode(reinterpret_cast<const void*>(functor->functor_run))) {
      functor->functor_run = TrampolineOf(functor->functor_run);
    }
    __tsan_release(tag);
  }
  return next(call, ops, count, tag, reserved);
}

namespace grpc::internal {

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  using Function = void (*)(ServerCallbackCall*, bool);
  static const auto next =
      Next<Function>("_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  // The library counts down here too, unseen; our own countdowns are what OnDone must come after.
  __tsan_acquire(&callbacks_outstanding_);
  if (inline_ondone) {
    next(this, true);
  } else {
    // The library's executor would hide from which thread this comes.
    std::thread([this] { next(this, true); }).detach();
  }
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  // The handler's end counts down here, in our code; the call's end in the library, unseen.
  __tsan_acquire(&on_cancel_conditions_remaining_);
  if (reactor->InternalInlineable()) {
    reactor->OnCancel();
    return;
  }
  // As the library does, but in sight: its executor would hide from which thread this comes.
  Ref();
  std::thread([this, reactor] {
    reactor->OnCancel();
    MaybeDone();
  }).detach();
}

}  // namespace grpc::internal

// The same countdown comes before the library asks a call for its reactor. Nothing can be told in
// between; the function only reads gRPC's own member, and no handler of ours is below it.
extern "C" const char* __tsan_default_suppressions() {
  return "race:ServerCallbackUnaryImpl::reactor\n";
}
