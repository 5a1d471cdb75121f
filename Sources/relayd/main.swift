// The entry point. The main thread blocks the signals before any other thread exists, starts the command as a task, and waits
// for signals until the command exits. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

SignalWaiter.block()
umask(0o077)
let arguments = Array(CommandLine.arguments.dropFirst())
let environment = ProcessEnvironment.read()
Task.detached { exit(await Relayd.run(arguments: arguments, environment: environment).rawValue) }
SignalWaiter.wait()
