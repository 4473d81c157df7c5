#pragma once

#include <string>

namespace narthex::net {

// Questions to the system's name service, which may take as long as that is set to wait. Empty
// answers for what it does not know. Thread-safe.

// The full name that it has for `name`; empty where that says no more.
std::string CanonicalHostName(const std::string& name);
// What it calls the first address of `name`.
std::string ReverseHostName(const std::string& name);
// An IPv6 address as RFC 5952 writes it; the text itself where it is none.
std::string ShortAddress(const std::string& address);

}  // namespace narthex::net
