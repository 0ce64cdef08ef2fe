"""Tables: where the profiles are kept, as a Faust table with a store of our own."""
