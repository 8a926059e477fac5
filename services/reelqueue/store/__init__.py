"""All SQL, in one place and one colour. A class an aggregate, a method a transaction, named by the question it answers.

Nobody outside this package imports SQLAlchemy. No method talks to anyone but the database, and none leaves a
transaction open behind it.
"""
