// Text to a QR code (ISO/IEC 18004) as SVG, by libqrencode; the one file that imports it.
//
// Any thread: the library guards its own tables with a mutex. Only modules reach the picture, never the text.
// SPDX-License-Identifier: Apache-2.0

import CQREncode

struct QRCode: Sendable {
    /// Modules along an edge, without the quiet zone: 21 to 177.
    let width: Int
    /// Row by row; true is dark.
    let modules: [Bool]

    /// Nil when the text does not fit into the largest symbol, or when memory is short.
    ///
    /// Level M: readable with 15 % damage, which is what a glare on a screen costs.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard let count = Int32(exactly: bytes.count), count > 0, let code = QRcode_encodeData(count, bytes, 0, QR_ECLEVEL_M)
        else {
            return nil
        }
        defer { QRcode_free(code) }
        width = Int(code.pointee.width)
        guard (21...177).contains(width), let dots = code.pointee.data else { return nil }
        // The lowest bit of each byte is the colour, the others say what the module is for.
        modules = UnsafeBufferPointer(start: dots, count: width * width).map { $0 & 1 == 1 }
    }

    /// Black on white with the quiet zone of four modules, sized by whoever shows it.
    var svg: String {
        let edge = width + 8
        var path = ""
        for y in 0..<width {
            var x = 0
            while x < width {
                let start = x
                while x < width, modules[y * width + x] { x += 1 }
                if x > start { path += "M\(start + 4) \(y + 4)h\(x - start)v1h-\(x - start)z" } else { x += 1 }
            }
        }
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(edge) \(edge)\" shape-rendering=\"crispEdges\">"
            + "<path fill=\"#fff\" d=\"M0 0h\(edge)v\(edge)H0z\"/><path d=\"\(path)\"/></svg>"
    }
}
