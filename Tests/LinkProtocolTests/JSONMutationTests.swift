// The scanner against the reference on mutated documents: same verdict, same fields, and JSONValue agrees.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct JSONMutationTests {
    static let seeds = [
        #"{"id":"3f0b1c52-8a1d","type":"resources:list","types":["LORA"],"progress":12.5e-1,"createdAt":"2026-01-31T12:34:56.789Z"}"#,
        #"{"status":"processing","id":"a","resources":[{"name":"Über \u00fc \"x\"","path":"C:\\m","n":-0.0}],"type":"t","error":null}"#,
        #"[[],{},[[{"a":[true,false,null]}]],"€😀",-1E+9,0]"#,
        #" {"id" : "x" , "id" : 7 , "status":"success","a":{"id":"no","status":"error"}} "#,
        #""plain string of text with \ud83d\ude00 and more""#,
    ].map(bytes)

    @Test(arguments: 0..<8) func agreesWithTheReference(_ batch: Int) {
        var generator = SeededGenerator(seed: UInt64(batch) &+ 0xC0DEC)
        var acceptedCount = 0
        for round in 0..<3000 {
            let text = mutated(Self.seeds[round % Self.seeds.count], with: &generator)
            let depth = 2 + generator.below(6)
            let expected = JSONReference.members(of: text, maxDepth: depth)
            let fields = try? JSON.validate(text.span.bytes, maxDepth: depth)
            guard (fields == nil) == (expected == nil) else {
                Issue.record("verdicts differ at depth \(depth): \(text)")
                return
            }
            guard let fields, let expected else { continue }
            acceptedCount += 1
            compare(text, fields, expected)
            checkValue(text, depth)
        }
        // The mutator must leave enough documents whole for the comparison of fields to mean something.
        #expect(acceptedCount > 200)
    }

    private func compare(_ text: [UInt8], _ fields: EnvelopeFields, _ members: [(name: [UInt8], value: [UInt8])]) {
        func contents(_ name: String) -> String {
            guard let raw = members.last(where: { $0.name == bytes(name) })?.value, raw.first == 0x22 else { return "" }
            return String(decoding: raw.dropFirst().dropLast(), as: UTF8.self)
        }
        #expect(text.text(fields.id) == contents("id"))
        #expect(text.text(fields.type) == contents("type"))
        let status = CommandState.allCases.first { "\($0.name)" == contents("status") }
        #expect(fields.status == status)
    }

    /// What was accepted can be read as a value, and the value's own text reads back the same.
    private func checkValue(_ text: [UInt8], _ depth: Int) {
        guard let value = try? JSONValue(parsing: text, maxDepth: depth) else {
            Issue.record("no value: \(text)")
            return
        }
        let again = try? JSONValue(parsing: value.encoded(), maxDepth: depth)
        #expect(again == value)
    }
}
