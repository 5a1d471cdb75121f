// Whole commands: which are looked into, what of them counts, and that no spelling of the same JSON gets around it.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct PolicyCommandTests {
    private static let good = #"{"type":"LORA","hash":"AB","name":"a.safetensors","url":"https://civitai.com/a","modelName":"../x"}"#
    private static let bad = #"{"name":"a.safetensors","url":"https://10.0.0.1/a"}"#

    static let commands: [(String, PolicyRule?)] = [
        (#"{"id":"1","type":"resources:add","resource":\#(good)}"#, nil),
        (#"{"id":"1","type":"resources:add","resources":[\#(good),\#(good)]}"#, nil),
        (#"{"id":"1","type":"resources:add","resource":\#(bad)}"#, .privateTarget),
        (#"{"id":"1","type":"resources:add","resources":[\#(good),\#(bad)]}"#, .privateTarget),
        (#"{"id":"1","type":"resources:add","resource":\#(good),"resources":[\#(bad)]}"#, .privateTarget),
        (#"{"id":"1","resource":\#(bad),"type":"resources:add"}"#, .privateTarget),
        // The same text in escapes, in names and in values.
        (#"{"ty\u0070e":"resources:add","resource":\#(bad)}"#, .privateTarget),
        (#"{"type":"image:txt2img","ty\u0070e":"resources:add","resource":\#(bad)}"#, .repeatedMember),
        (#"{"type":"resources\u003aadd","resource":\#(bad)}"#, .privateTarget),
        (#"{"type":"resources:add","r\u0065source":\#(bad)}"#, .privateTarget),
        (#"{"type":"resources:add","resource":{"name":"a.zip","\u0075rl":"https://10.0.0.1/"}}"#, .privateTarget),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":"https:\/\/10\u002e0.0.1/"}}"#, .privateTarget),
        (#"{"type":"resources:add","resource":{"name":"..\u002fa.zip","url":"https://a.com/"}}"#, .nameIsPath),
        (#"{"type":"resources:add","resource":{"name":"a\ud800.zip","url":"https://a.com/"}}"#, .nameCharacters),
        // Twice.
        (#"{"type":"resources:add","resource":\#(good),"resource":\#(bad)}"#, .repeatedMember),
        (#"{"type":"resources:add","resource":\#(bad),"r\u0065source":\#(good)}"#, .repeatedMember),
        (#"{"type":"resources:add","type":"resources:add","resource":\#(good)}"#, .repeatedMember),
        (#"{"type":"image:txt2img","type":"resources:add","resource":\#(good)}"#, .repeatedMember),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":"https://a.com/","url":"https://10.0.0.1/"}}"#, .repeatedMember),
        (#"{"type":"resources:add","resource":{"name":"a.zip","n\u0061me":"../b","url":"https://a.com/"}}"#, .repeatedMember),
        (#"{"type":"resources:add","resource":{"hash":"1","hash":"2","name":"a.zip","url":"https://a.com/"}}"#, nil),
        // Of another type in the end.
        (#"{"type":"resources:add","type":"image:txt2img","resource":\#(bad)}"#, nil),
        (#"{"id":"1","type":"resources:add:cancel","resources":[\#(bad)]}"#, nil),
        (#"{"id":"1","type":"resources:list"}"#, nil),
        // Other shapes.
        (#"{"type":"resources:add"}"#, .malformed), (#"{"type":"resources:add","resource":null}"#, .malformed),
        (#"{"type":"resources:add","resource":"https://a.com/"}"#, .malformed),
        (#"{"type":"resources:add","resource":[\#(good)]}"#, .malformed),
        (#"{"type":"resources:add","resources":\#(good)}"#, .malformed),
        (#"{"type":"resources:add","resources":[[\#(bad)]]}"#, .malformed),
        (#"{"type":"resources:add","resources":[]}"#, .malformed),
        (#"{"type":"resources:add","resource":{"name":["../a"],"url":"https://a.com/"}}"#, .malformed),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":{"href":"https://10.0.0.1/"}}}"#, .malformed),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":null}}"#, nil),
        (#"{"type":"resources:add","resource":{"url":"https://a.com/"}}"#, .nameMissing),
        (#"{"type":"resources:add","resource":{"name":null,"url":"https://a.com/"}}"#, .nameMissing),
        (#"{"type":"resources:add","resource":{"name":"a.zip","filename":"../b.zip","url":"https://a.com/"}}"#, .nameIsPath),
        (#"{"type":"resources:add","resource":{"name":"a.zip","downloadUrl":"http://a.com/"}}"#, .scheme),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":"https://a.com/","previewImage":"https://127.0.0.1/"}}"#, .privateTarget),
        (#"{"type":"resources:add","resource":{"name":"a.zip","url":"https://a.com/","previewImage":"0f-8a_b"}}"#, nil),
        // Removing.
        (#"{"type":"resources:remove","resource":{"type":"LORA","hash":"AB"}}"#, nil), (#"{"type":"resources:remove"}"#, nil),
        (#"{"type":"resources:remove","resource":{"hash":"AB","name":"a"}}"#, nil),
        (#"{"type":"resources:remove","resource":{"hash":"AB","name":"../a"}}"#, .nameIsPath),
        (#"{"type":"resources:remove","resources":[{"name":"a"},{"filename":"C:\\a"}]}"#, .nameIsPath),
    ]

    /// As the relay comes by them: the routing fields of one scan, then the judge if they ask for it.
    private func judge(_ text: String, _ policy: CommandPolicy = CommandPolicy()) throws -> PolicyRule? {
        let bytes = Array(text.utf8)
        let fields = try JSON.validate(bytes.span.bytes, maxDepth: 128)
        return bytes.withUnsafeBytes { buffer in
            let isJudged = CommandPolicy.isJudged(buffer[fields.type], hasEscapedName: fields.hasEscapedName)
            return isJudged ? policy.judge(bytes) : nil
        }
    }

    @Test(arguments: commands) func judged(_ text: String, _ rule: PolicyRule?) throws {
        #expect(try judge(text) == rule, "\(text)")
    }

    @Test func onlyTheJudgedTypesAreLookedInto() {
        for type in ["", "a", "image:txt2img", "image:img2img", "resources:list", "activities:clear", "resources:add:cancel", "xesources:add"] {
            Array(type.utf8).withUnsafeBytes { #expect(!CommandPolicy.isJudged($0, hasEscapedName: false), "\(type)") }
        }
        for type in ["resources:add", "resources:remove", #"\u0072esources:add"#, #"image\u003atxt2img"#] {
            Array(type.utf8).withUnsafeBytes { #expect(CommandPolicy.isJudged($0, hasEscapedName: false), "\(type)") }
        }
        #expect(CommandPolicy.isJudged(UnsafeRawBufferPointer(start: nil, count: 0), hasEscapedName: true))
    }

    @Test func tooLongToJudge() throws {
        let filler = String(repeating: " ", count: CommandPolicy.judgedBytes)
        #expect(try judge(#"{"type":"resources:add",\#(filler)"resource":\#(Self.good)}"#) == .tooLong)
        #expect(try judge(#"{"type":"image:txt2img",\#(filler)"resource":\#(Self.bad)}"#) == nil)
        #expect(try judge(#"{"ty\u0070e":"resources:add",\#(filler)"resource":\#(Self.bad)}"#) == .tooLong)
    }

    @Test func everyRuleHasItsOwnLabelAndSentence() {
        #expect(Set(PolicyRule.allCases.map(\.label)).count == PolicyRule.allCases.count)
        for rule in PolicyRule.allCases { #expect(rule.sentence.contains("(\(rule.label))")) }
    }

    @Test func ownersAddToTheOperatorsLists() {
        let policy = CommandPolicy(mode: .strict, hosts: ["a.com"]).with(InstancePolicy(mode: .open, hosts: ["b.com"], lanHosts: ["nas"]))
        #expect(policy.mode == .open && policy.hosts == ["a.com", "b.com"] && policy.lanHosts == ["nas"])
        #expect(CommandPolicy(mode: .open).with(InstancePolicy()).mode == .open)
        #expect(CommandPolicy(mode: .open).with(nil).mode == .open)
    }
}
