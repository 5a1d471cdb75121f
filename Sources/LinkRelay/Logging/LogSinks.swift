// Where lines go: standard error in a daemon, memory in a test. Any thread; neither blocks.
//
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Lines as text on standard error, by way of a writer thread.
package final class StandardErrorLog: LogSink {
    private let text: LogText
    private let writer: LogWriter

    /// `journalStream` is $JOURNAL_STREAM.
    package init(format: LogFormat, journalStream: String?, descriptor: Int32 = STDERR_FILENO) {
        let text = LogText(
            format: format, isForJournal: Self.isJournal(journalStream: journalStream, descriptor: descriptor))
        self.text = text
        writer = LogWriter(descriptor: descriptor) { count in
            text.line(
                LogEntry(
                    level: .warning, event: "log_lines_dropped", fields: ["count": .count(count)],
                    time: LogClock.system.wall(), suppressedCount: 0))
        }
    }

    package func take(_ entry: LogEntry) { writer.add(text.line(entry)) }

    /// Lines lost because standard error did not take them fast enough.
    package var droppedCount: Int { writer.droppedCount }

    /// Waits up to a second for what is queued. Last thing before the process ends.
    package func close() { writer.close() }

    /// Whether `descriptor` is the very file that the service manager named in $JOURNAL_STREAM as "device:inode" (sd_journal
    /// convention, systemd.exec(5)): it may have been redirected since.
    package static func isJournal(journalStream: String?, descriptor: Int32) -> Bool {
        guard let parts = journalStream?.split(separator: ":"), parts.count == 2, let device = UInt64(parts[0]),
            let inode = UInt64(parts[1])
        else { return false }
        var status = stat()
        return fstat(descriptor, &status) == 0 && UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
    }
}

/// Keeps every line, for tests to look at.
package final class RecordingLog: LogSink {
    private let kept = Locked<[LogEntry]>([])

    package init() {}

    package func take(_ entry: LogEntry) { kept.withLock { $0.append(entry) } }

    package var entries: [LogEntry] { kept.withLock { $0 } }

    package func entries(of event: StaticString) -> [LogEntry] {
        entries.filter { $0.event.description == event.description }
    }
}
