// Which address to show people: the public one, the one listened on, or the one configured. Pure.
//
// SPDX-License-Identifier: Apache-2.0

import LinkRelay

enum SiteAddress {
    /// `bound` are the addresses that a relay in this process or another listens on.
    static func choose(_ settings: Settings, bound: [String]) -> String {
        if let url = settings.publicURL { return url }
        let web = bound.first { $0.hasPrefix("http") } ?? configured(settings)
        // "Every address" is no address to open.
        return web.replacing("//0.0.0.0", with: "//127.0.0.1").replacing("//[::]", with: "//[::1]")
    }

    /// What to know before another machine can use an address as shown; nil where there is nothing to say.
    static func reach(_ settings: Settings, bound: [String]) -> String? {
        guard settings.publicURL == nil, let web = bound.first(where: { $0.hasPrefix("http") }) else { return nil }
        if web.contains("//0.0.0.0") || web.contains("//[::]") {
            return "On other machines, put this machine's network address in place of the one above."
        }
        guard web.contains("//127.") || web.contains("//[::1]") else { return nil }
        return "Only this machine reaches that address. For others, with this machine's network address: --listen 0.0.0.0:8787"
    }

    private static func configured(_ settings: Settings) -> String {
        for address in settings.listen {
            if case .tcp = address { return "\(settings.usesTLS ? "https" : "http")://\(address)" }
        }
        return "http://127.0.0.1:8787"
    }

    /// The ticket stands in the fragment, which no browser sends and no log sees.
    static func signIn(_ site: String, ticket: String) -> String { "\(site)/#ticket=\(ticket)" }
}
