// What the fuzz targets share: lending the input to the codecs, reading ranges, and failing loudly.
//
// Each target is one module of this file, the codecs' sources and the tests' slow JSON reference. The input is lent exactly
// as long as it is, so that the address sanitizer sees every load beyond it. SPDX-License-Identifier: Apache-2.0

/// Inputs up to this size are also held against the slow reference.
let referenceBytes = 4096

/// Ends the run with the broken property's name; libFuzzer keeps the input.
func claim(_ holds: Bool, _ property: StaticString) {
    if !holds { fatalError("broken: \(property)") }
}

/// The bytes of a range, which must lie in `bytes`.
func slice(_ bytes: UnsafeRawBufferPointer, _ range: ByteRange) -> [UInt8] {
    if range.isEmpty { return [] }
    claim(Int(range.end) <= bytes.count, "ranges are in bounds")
    return Array(bytes[Int(range.start)..<Int(range.end)])
}

/// A field's range lies between two quotes.
func claimString(_ bytes: UnsafeRawBufferPointer, _ range: ByteRange) {
    guard range != .none else { return }
    claim(range.start > 0 && range.start <= range.end && Int(range.end) < bytes.count, "strings are in bounds")
    claim(bytes[Int(range.start) - 1] == 0x22 && bytes[Int(range.end)] == 0x22, "strings lie between quotes")
}

func claimFields(_ bytes: UnsafeRawBufferPointer, _ fields: EnvelopeFields) {
    claimString(bytes, fields.id)
    claimString(bytes, fields.type)
    let id = slice(bytes, fields.id)
    claim(fields.hasEscapedID == id.contains(0x5C), "an id with escapes says so")
    let plain = JSONString.plain(id.span.bytes)
    claim(plain.count <= id.count && (fields.hasEscapedID || plain == id), "a plain id is never longer, and often the same")
    claim(JSONString.plain(plain.span.bytes) == plain, "a plain id stays")
    let text = try? JSONValue(parsing: [0x22] + id + [0x22], maxDepth: 1)
    claim(text != nil && (try? JSONValue(parsing: [0x22] + plain + [0x22], maxDepth: 1)) == text, "a plain id is the same text")
}

/// Fields found again in another buffer are the same text.
func claimSameFields(
    _ bytes: UnsafeRawBufferPointer, _ fields: EnvelopeFields, _ otherBytes: UnsafeRawBufferPointer,
    _ other: EnvelopeFields
) {
    claim(slice(bytes, fields.id) == slice(otherBytes, other.id), "ids survive framing")
    claim(slice(bytes, fields.type) == slice(otherBytes, other.type), "types survive framing")
    claim(fields.status == other.status && fields.isObject == other.isObject, "statuses survive framing")
}

/// Whether the slow reference takes the text; nil if it is too long to ask.
func referenceAccepts(_ text: [UInt8], maxDepth: Int) -> Bool? {
    text.count <= referenceBytes ? JSONReference.members(of: text, maxDepth: maxDepth) != nil : nil
}
