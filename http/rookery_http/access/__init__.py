"""Who may call: keys, scopes, rate limits, local callers, proxies, browsers, the audit log."""
