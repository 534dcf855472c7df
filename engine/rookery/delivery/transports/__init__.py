"""Ways to carry events to endpoints: the contract, HTTP, and the choice by the scheme of a URL. Brokers are in `brokers`."""
