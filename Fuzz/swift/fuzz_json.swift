// Fuzzes the JSON scanner and JSONValue: one verdict with the reference, fields as the last member says, stable re-encoding.
// SPDX-License-Identifier: Apache-2.0

private let maxDepth = 24

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let text = Array(bytes)
    let fields = try? JSON.validate(bytes.bytes, maxDepth: maxDepth)
    if let accepts = referenceAccepts(text, maxDepth: maxDepth) {
        claim(accepts == (fields != nil), "the scanner and the reference agree")
    }
    let value = try? JSONValue(parsing: text, maxDepth: maxDepth)
    claim((value != nil) == (fields != nil), "what scans parses")
    guard let fields, let value else { return 0 }
    claimFields(bytes, fields)
    if case .object = value { claim(fields.isObject, "objects are recognised") }
    if count <= referenceBytes { claimLastMember(bytes, fields, text) }
    let encoded = value.encoded()
    claim((try? JSONValue(parsing: encoded, maxDepth: maxDepth))?.encoded() == encoded, "values re-encode alike")
    claimShifted(text, fields)
    return 0
}

private func claimLastMember(_ bytes: UnsafeRawBufferPointer, _ fields: EnvelopeFields, _ text: [UInt8]) {
    let members = JSONReference.members(of: text, maxDepth: maxDepth) ?? []
    func contents(_ name: String) -> [UInt8] {
        guard let raw = members.last(where: { $0.name == Array(name.utf8) })?.value, raw.first == 0x22 else {
            return []
        }
        return Array(raw.dropFirst().dropLast())
    }
    claim(slice(bytes, fields.id) == contents("id"), "the last id counts")
    claim(slice(bytes, fields.type) == contents("type"), "the last type counts")
    let status = contents("status")
    claim(fields.status == CommandState.allCases.first { Array("\($0.name)".utf8) == status }, "the last status counts")
}

/// The same text behind other bytes gives the same fields, moved.
private func claimShifted(_ text: [UInt8], _ fields: EnvelopeFields) {
    let shift = 1 + text.count % 9
    let moved = [UInt8](repeating: 0x22, count: shift) + text
    guard let scan = try? JSON.scan(moved.span.bytes, from: shift, maxDepth: maxDepth) else {
        return claim(false, "scanning does not depend on where")
    }
    let isSame = scan.fields.id.count == fields.id.count && scan.fields.type.count == fields.type.count
    claim(isSame && scan.fields.status == fields.status, "fields do not depend on where")
}
