"""All that knows DynamoDB: the gateway to the table, the schema of its keys, and what is kept in it."""
