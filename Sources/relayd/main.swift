// The entry point. Signals are blocked before any other thread exists, since threads inherit the mask; then one command runs.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

SignalWaiter.block()
umask(0o077)
exit(await Relayd.run(arguments: Array(CommandLine.arguments.dropFirst()), environment: ProcessEnvironment.read()).rawValue)
