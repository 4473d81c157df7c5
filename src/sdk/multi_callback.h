#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sdk/instruments.h"

namespace narthex::sdk {

namespace internal {

template <class... T, size_t... kIndex>
void RegisterCallback(std::index_sequence<kIndex...>,
                      std::function<void(ObserverResult<T>&...)> callback,
                      ObservableInstrument<T>&... instruments) {
  // Callbacks run in the order of their coming: each instrument's leaves where to report, and that
  // of the last has them all.
  const auto results = std::make_shared<std::tuple<std::optional<ObserverResult<T>>...>>();
  const auto run = [results, callback = std::move(callback)] {
    if ((std::get<kIndex>(*results).has_value() && ...)) {
      callback(*std::get<kIndex>(*results)...);
    }
    (std::get<kIndex>(*results).reset(), ...);
  };
  (instruments.AddCallback([results, run](ObserverResult<T>& result) {
    std::get<kIndex>(*results).emplace(result);
    if constexpr (kIndex + 1 == sizeof...(T)) run();
  }),
   ...);
}

}  // namespace internal

// Has several observables of one provider measured in one call, once per collection of each reader,
// so that what belongs together is read together:
//
//   sdk::RegisterCallback([&](auto& used, auto& share) { … used.Observe(…); share.Observe(…); },
//                         *used, *share);
//
// The callback ends with the first of the instruments, or with its RemoveCallbacks. It must not add
// or remove callbacks. Source: OpenTelemetry specification, "Asynchronous instrument API".
template <class Callback, class... T>
void RegisterCallback(Callback callback, ObservableInstrument<T>&... instruments) {
  static_assert(sizeof...(T) > 0 && std::is_invocable_v<Callback&, ObserverResult<T>&...>);
  internal::RegisterCallback<T...>(
      std::index_sequence_for<T...>(),
      std::function<void(ObserverResult<T> & ...)>(std::move(callback)), instruments...);
}

}  // namespace narthex::sdk
