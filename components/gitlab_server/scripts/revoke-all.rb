user = User.find_by_username('root')
user.personal_access_tokens.active.where(name: 'auto-devops').each(&:revoke!)
