#pragma once

namespace narthex::net {

// Allows this process as many open files, sockets included, as the system lets it have: the usual
// default of 1,024 is there for programs that use select(). Never fails; at worst nothing changes.
void RaiseOpenFilesLimit();

}  // namespace narthex::net
