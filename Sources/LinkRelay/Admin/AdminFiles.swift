// The console's files: its own, and the styles and modules it shares with the public page. Served by the admin's listener alone; the
// public site does not have them.
//
// Immutable, any thread. The files hold no data: everything they show is asked for with a token or over the socket.
// SPDX-License-Identifier: Apache-2.0

struct AdminFiles: Sendable {
    private let console = StaticSite(files: ConsoleFiles.all)
    private let page = StaticSite()

    /// Nil when the path names no file.
    func response(to request: HTTPRequest, origins: OriginPolicy) -> HTTPResponse? {
        guard request.method == "GET" || request.method == "HEAD" else { return nil }
        if request.path == "/" || request.path == "/console" {
            return HTTPResponse(status: 302, headers: [("Location", "/console/")])
        }
        let path = request.path == "/console/" ? "/console/index.html" : request.path
        let isShared = path.hasPrefix("/css/") || path.hasPrefix("/js/") || path == "/icon.svg"
        guard let file = isShared ? page.entry(at: path) : console.entry(at: path) else { return nil }
        return file.response(to: request, origins: origins)
    }
}
