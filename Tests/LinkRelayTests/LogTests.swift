// Lines that a peer cannot forge, storms that are counted, and a full pipe that holds nobody up.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinkRelay

@Suite struct LogTextTests {
    private func line(
        _ fields: KeyValuePairs<StaticString, LogValue>, _ format: LogFormat = .logfmt, journal: Bool = true, suppressed: Int = 0,
        level: Log.Level = .warning
    ) -> String {
        let entry = LogEntry(level: level, event: "tried", fields: fields, time: 1_769_862_896_789, suppressedCount: suppressed)
        return String(decoding: LogText(format: format, isForJournal: journal).line(entry), as: UTF8.self)
    }

    @Test func bothFormatsBothPlaces() {
        let fields: KeyValuePairs<StaticString, LogValue> = ["n": 3, "text": "a b", "ratio": 0.5, "ok": true, "plain": "10.1.2.0/24"]
        #expect(
            line(fields, journal: false)
                == "ts=2026-01-31T12:34:56.789Z level=warning event=tried n=3 text=\"a b\" ratio=0.5 ok=true plain=10.1.2.0/24\n")
        #expect(line(fields) == "<4>event=tried n=3 text=\"a b\" ratio=0.5 ok=true plain=10.1.2.0/24\n")
        #expect(
            line(fields, .json, journal: false)
                == #"{"ts":"2026-01-31T12:34:56.789Z","level":"warning","event":"tried","n":3,"text":"a b","ratio":0.5,"ok":true,"plain":"10.1.2.0/24"}"#
                + "\n")
        #expect(line([:], .json, suppressed: 7) == "<4>{\"event\":\"tried\",\"suppressed\":7}\n")
        #expect(line(["r": .double(.nan)], .json) == "<4>{\"event\":\"tried\",\"r\":null}\n")
        #expect(Log.Level.allCases.map(\.priority) == [7, 6, 5, 4, 3])
    }

    @Test(arguments: [
        ("a\nts=1 level=error event=forged", #""a\nts=1 level=error event=forged""#),
        ("a\r\u{0}\u{1B}[2K", #""a\r\u0000\u001b[2K""#),
        ("x\" event=forged", #""x\" event=forged""#),
        ("back\\", #""back\\""#),
        ("k=v", #""k=v""#),
        ("\u{2028}\u{2029}\u{85}", #""\u2028\u2029\u0085""#),
        ("\u{202E}evil\u{2066}", #""\u202eevil\u2066""#),
        ("\u{200B}\u{FEFF}\u{7F}", #""\u200b\ufeff\u007f""#),
        ("", "\"\""),
        ("grüße 🎉", "\"grüße 🎉\""),
        ("e\u{301}\u{0}", "\"e\u{301}\\u0000\""),
        ("<3>urgent", "\"<3>urgent\""),
    ])
    func aPeersTextStaysInItsField(_ text: String, _ shown: String) {
        for format in LogFormat.allCases {
            let out = line(["peer": .string(text)], format)
            #expect(out.contains(shown), "\(out)")
            #expect(out.unicodeScalars.filter { $0 == "\n" }.count == 1 && out.hasSuffix("\n"))
        }
    }

    @Test func longValuesAreCutAtAScalar() {
        let out = line(["peer": .string(String(repeating: "ü", count: 500))])
        #expect(out == "<4>event=tried peer=\"" + String(repeating: "ü", count: 128) + "…\"\n")
        #expect(line(["peer": .string(String(repeating: "a", count: 256))]).hasSuffix("aaa\n"))
        #expect(line(["peer": .string(String(repeating: "a", count: 257))]).hasSuffix("aaa…\"\n"))
    }
}

@Suite struct LogTests {
    /// A clock that tests move by hand.
    private final class HandClock: Sendable {
        private let now = Locked<Int64>(0)
        func advance(_ milliseconds: Int64) { now.withLock { $0 += milliseconds } }
        var clock: LogClock { LogClock(wall: { 5 }, monotonic: { [now] in now.withLock { $0 } }) }
    }

    @Test func levelsAreAThresholdThatMoves() {
        let sink = RecordingLog()
        let log = Log(level: .notice, sink: sink)
        log.write(.info, "quiet")
        log.write(.notice, "heard", ["n": 1])
        log.level = .debug
        log.write(.debug, "low")
        log.level = .error
        log.write(.warning, "late")
        #expect(sink.entries.map { $0.event.description } == ["heard", "low"])
        #expect(sink.entries.first?["n"] == 1)
        #expect(log.isEnabled(.error) && !log.isEnabled(.warning) && log.level == .error)
    }

    @Test func aStormIsCountedAndHidesNothingElse() {
        let sink = RecordingLog()
        let time = HandClock()
        let log = Log(sink: sink, allowance: LogAllowance(lines: 3, window: .seconds(10)), clock: time.clock)
        for _ in 0..<8 { log.write(.info, "storm") }
        log.write(.info, "other")
        #expect(sink.entries(of: "storm").count == 3 && sink.entries(of: "other").count == 1)
        time.advance(9_999)
        log.write(.info, "storm")
        #expect(sink.entries(of: "storm").count == 3)
        time.advance(1)
        log.write(.info, "storm")
        log.write(.info, "storm")
        #expect(sink.entries(of: "storm").map(\.suppressedCount) == [0, 0, 0, 6, 0])
        #expect(log.suppressedCount == 6)
    }

    /// A pipe with its two ends, closed with the value.
    private final class Pipe {
        let reading: Int32
        private(set) var writing: Int32
        init() throws {
            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            (reading, writing) = (ends[0], ends[1])
        }
        func closeWriting() {
            close(writing)
            writing = -1
        }
        /// Writes until nothing more goes in; the number of bytes.
        func fill() -> Int {
            _ = fcntl(writing, F_SETFL, O_NONBLOCK)
            defer { _ = fcntl(writing, F_SETFL, 0) }
            let block = [UInt8](repeating: 0x2E, count: 4096)
            var sum = 0
            while true {
                let count = write(writing, block, block.count)
                if count <= 0 { return sum }
                sum += count
            }
        }
        /// Everything until the end of the file.
        static func drain(_ descriptor: Int32) -> String {
            var all: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &block, block.count)
                if count <= 0 { break }
                all += block.prefix(count)
            }
            return String(decoding: all, as: UTF8.self)
        }
        deinit {
            close(reading)
            if writing >= 0 { close(writing) }
        }
    }

    @Test func linesArriveWholeAndInOrder() throws {
        let pipe = try Pipe()
        let writer = LogWriter(descriptor: pipe.writing) { Array("dropped \($0)\n".utf8) }
        for i in 0..<1000 { writer.add(Array("line \(i)\n".utf8)) }
        #expect(writer.flush(milliseconds: 10_000))
        writer.close()
        #expect(!writer.add([0x0A]), "closed")
        pipe.closeWriting()
        #expect(Pipe.drain(pipe.reading) == (0..<1000).map { "line \($0)\n" }.joined())
    }

    /// Reads a pipe to its end on a thread.
    private final class DrainingThread: Sendable {
        private let thread: Locked<pthread_t>
        private let drained = Locked("")

        init(_ descriptor: Int32) {
            let drained = drained
            let box = Unmanaged.passRetained(Body {
                let text = Pipe.drain(descriptor)
                drained.withLock { $0 = text }
            })
            var made = pthread_t()
            pthread_create(
                &made, nil,
                { argument in
                    if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, box.toOpaque())
            thread = Locked(made)
        }

        /// Waits for the end of the pipe.
        func text() -> String {
            pthread_join(thread.withLock { $0 }, nil)
            return drained.withLock { $0 }
        }

        private final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
    }

    @Test func aFullPipeHoldsNobodyUp() throws {
        let pipe = try Pipe()
        let stuffedBytes = pipe.fill()
        let writer = LogWriter(descriptor: pipe.writing, ceilingBytes: 10_240) { Array("dropped \($0)\n".utf8) }
        // Nobody reads: this returns at once, or the test hangs.
        let line = [UInt8](repeating: 0x61, count: 1023) + [0x0A]
        var takenCount = 0
        for _ in 0..<1024 where writer.add(line) { takenCount += 1 }
        // One batch in the writer's hands, one in the queue.
        #expect((10...20).contains(takenCount) && writer.droppedCount == 1024 - takenCount)
        #expect(!writer.flush(milliseconds: 1))
        let reading = pipe.reading
        // A thread of its own: the pool's two may both be in tests that wait, this one among them.
        let drain = DrainingThread(reading)
        #expect(writer.flush(milliseconds: 60_000))
        writer.close()
        pipe.closeWriting()
        let text = drain.text()
        #expect(text.utf8.count > stuffedBytes + takenCount * 1024)
        #expect(text.contains("dropped "))
        withExtendedLifetime(pipe) {}
    }

    @Test func theJournalIsRecognisedByItsFile() throws {
        let pipe = try Pipe()
        var status = stat()
        fstat(pipe.writing, &status)
        #expect(StandardErrorLog.isJournal(journalStream: "\(status.st_dev):\(status.st_ino)", descriptor: pipe.writing))
        #expect(!StandardErrorLog.isJournal(journalStream: "\(status.st_dev):\(status.st_ino + 1)", descriptor: pipe.writing))
        for text in [nil, "", "1", "a:b", "1:2:3", ":"] {
            #expect(!StandardErrorLog.isJournal(journalStream: text, descriptor: pipe.writing))
        }
    }
}
