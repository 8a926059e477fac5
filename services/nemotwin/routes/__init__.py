"""The endpoints of the contract, a module for each noun."""
