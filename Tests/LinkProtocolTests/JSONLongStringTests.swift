// Long strings, which the scanner reads in blocks: every byte at every place of a few blocks, behind a plain or an interrupted run.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct JSONLongStringTests {
    /// `n`, so that a backslash before any of it is an escape.
    static let filler: UInt8 = 0x6E
    static let count = 203

    private enum Verdict: Equatable {
        case end(Int)
        case failed(JSONError)
    }

    private static func verdict(_ text: [UInt8]) -> Verdict {
        do throws(JSONError) {
            return .end(try JSON.scan(text.span.bytes, from: 0, maxDepth: 4).end)
        } catch {
            return .failed(error)
        }
    }

    private static func expected(_ byte: UInt8, at position: Int, of count: Int) -> Verdict {
        switch byte {
        case 0x22: .end(position + 1)
        case 0x00..<0x20: .failed(.malformed(offset: position))
        case 0x80...: .failed(.invalidUTF8(offset: position))
        default: .end(count)
        }
    }

    @Test(arguments: ["", #"\n"#, "é", #"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\\"#])
    func seesEveryByteAtEveryPlace(_ start: String) {
        let head = [0x22] + bytes(start)
        var text = head + [UInt8](repeating: Self.filler, count: Self.count) + [0x22]
        for position in head.count..<text.count - 2 {
            for byte in UInt8.min...UInt8.max {
                text[position] = byte
                let found = Self.verdict(text)
                guard found == Self.expected(byte, at: position, of: text.count) else {
                    Issue.record("byte \(byte) at \(position) after \(start): \(found)")
                    return
                }
            }
            text[position] = Self.filler
        }
    }

    /// Longer runs go by larger blocks: a stop of each kind at every place of some of them.
    @Test func seesStopsInLongRuns() {
        var text = [0x22] + [UInt8](repeating: Self.filler, count: 700) + [0x22]
        for position in 1..<text.count - 1 {
            for byte: UInt8 in [0x22, 0x1F, 0x80] {
                text[position] = byte
                #expect(Self.verdict(text) == Self.expected(byte, at: position, of: text.count))
            }
            text[position] = 0x5C
            let hasEscape = text[position + 1] == Self.filler
            #expect(Self.verdict(text) == (hasEscape ? .end(text.count) : .failed(.truncated)))
            text[position] = Self.filler
        }
    }

    /// Cut anywhere, a string is short of its end, and nothing else.
    @Test func isTruncatedWhereverItIsCut() {
        let text = [0x22] + [UInt8](repeating: Self.filler, count: 700)
        for count in 1...text.count {
            #expect(Self.verdict(Array(text[..<count])) == .failed(.truncated))
        }
    }

    /// Runs of every length up to some blocks between escapes and characters of two to four bytes.
    @Test func goesOnAfterEachInterruption() {
        for count in 0..<300 {
            let run = [UInt8](repeating: 0x41, count: count)
            let text = [0x22] + [#"\u00e9"#, "é", "€", "😀", #"\""#].flatMap { run + bytes($0) } + run + [0x22]
            #expect(Self.verdict(text) == .end(text.count))
            #expect(Self.verdict(text.dropLast() + [0x0A]) == .failed(.malformed(offset: text.count - 1)))
        }
    }
}
