// Lines on standard output and standard error, unbuffered and without Foundation. Main thread.
//
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

/// relayd's exit codes, after sysexits(3); CommandTable.exitCodes says what each means.
enum ExitCode: Int32 {
    case done = 0
    case usage = 64
    case unavailable = 69
    case system = 71
    case storage = 74
    case settings = 78
}

/// Ends a command with one line on standard error.
struct Failure: Error {
    var code: ExitCode
    var sentence: String

    init(_ code: ExitCode, _ sentence: String) {
        self.code = code
        self.sentence = sentence
    }
}

enum Terminal {
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// One line, or several, on standard output.
    static func say(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// As it is, on standard output.
    static func write(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// One line on standard error.
    static func complain(_ sentence: String) { write("relayd: \(LogText.printable(sentence))\n", to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}
